#!/bin/sh
# A Slurm of one controller and two nodes on this machine, all of it in a folder and on loopback:
#   slurm.sh install          Debian's packages, as root
#   slurm.sh start FOLDER     then SLURM_CONF=FOLDER/slurm.conf is all that sbatch needs
#   slurm.sh node FOLDER N    start the daemon of node1 or node2 again
#   slurm.sh stop FOLDER
set -eu

install() {
    command -v slurmctld slurmd munged sbatch > /dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -q -y --no-install-recommends slurmctld slurmd slurm-client munge
}

configure() {
    mkdir -p "$folder/state" "$folder/spool-node1" "$folder/spool-node2" "$folder/munge"
    dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
    chmod 600 "$folder/munge/key"
    chmod 700 "$folder/munge"
    chmod 755 "$folder"
    cat > "$folder/slurm.conf" << CONF
ClusterName=remul
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$((port))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0
MpiDefault=none
JobRequeue=1
ReturnToService=2
SlurmdTimeout=6
KillWait=5
MinJobAge=60
MaxArraySize=1001
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
NodeName=node1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1
NodeName=node2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=60 State=UP
CONF
}

start() {
    configure
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    slurmctld -f "$folder/slurm.conf"
    node 1
    node 2
    for _ in $(seq 60); do
        SLURM_CONF="$folder/slurm.conf" sinfo -h -o %t | grep -qx idle && return
        sleep 0.5
    done
    echo "no node became idle; see the logs in $folder" >&2
    exit 1
}

node() {
    slurmd -f "$folder/slurm.conf" -N "node$1"
}

stop() {
    for pid in "$folder"/slurmd-node*.pid "$folder/slurmctld.pid" "$folder/munge/pid"; do
        [ -f "$pid" ] && kill "$(cat "$pid")" 2> /dev/null || true
    done
}

folder="${2:-}"
port="${SLURM_TEST_PORT:-16817}"
case "$1" in
    install | start | stop) "$1" ;;
    node) node "$3" ;;
esac
