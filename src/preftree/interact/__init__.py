"""One turn: the actor writes, the environment runs and judges, the critic comments."""
