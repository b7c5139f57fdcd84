"""Where problems come from: one file per source, each with its address, licence and a worked row."""
