"""From prepared datasets to batches of uint8 images and int32 labels."""
