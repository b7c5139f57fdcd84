"""Best of N by reward: its place in the house; nothing is here yet."""
