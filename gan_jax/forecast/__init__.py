"""What a run will cost, known before it starts: memory, operations, time, energy, disk."""
