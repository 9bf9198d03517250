"""The built-in ad exchange: seeded monthly CSV files of impressions, one PNG per creative, and the true click probabilities."""
