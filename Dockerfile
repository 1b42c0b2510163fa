# The quick sweep on a CPU: docker build -t remul . && docker run -v "$PWD/results/local:/remul/results/local" remul
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
WORKDIR /remul
# who this machine is stays in the folder that is mounted, so that the next container continues
ENV XDG_STATE_HOME=/remul/results/local/.state
COPY . .
RUN pip install --no-cache-dir --require-hashes --extra-index-url https://download.pytorch.org/whl/cpu -r requirements.lock \
 && pip install --no-cache-dir --no-deps --no-build-isolation -e .
CMD ["sh", "-c", "python -m bench run quick --vectorise && python -m bench report"]
