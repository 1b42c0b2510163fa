"""The parts that networks are made of: a network imports these and `remul`, no other network."""
