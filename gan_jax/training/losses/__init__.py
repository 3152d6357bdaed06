"""Adversarial losses, one a file: `d_loss` and `g_loss` take `(real_logits, fake_logits)`."""
