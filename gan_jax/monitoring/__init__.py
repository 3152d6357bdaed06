"""What a run says of itself while it trains: where its time goes, and what goes wrong."""
