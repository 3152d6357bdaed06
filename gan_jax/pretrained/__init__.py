"""Networks whose weights come from elsewhere, frozen: features and discriminators stand on them."""
