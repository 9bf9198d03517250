"""Networks, the Lightning module and data module that train them, and the folder a trained model is kept in."""
