"""The values that the exchange's text columns can take. Order matters: drawn effects are tied to positions in these tuples."""

SITE_CATEGORIES = (
    "news", "sports", "technology", "finance", "cooking", "travel",
    "gaming", "lifestyle", "parenting", "music", "weather", "classifieds",
)  # fmt: skip
AD_CATEGORIES = (
    "automotive", "beauty", "education", "electronics", "fashion", "finance",
    "food", "games", "health", "home", "sportswear", "travel",
)  # fmt: skip
USER_SEGMENTS = (
    "students", "graduates", "young-parents", "families", "commuters", "professionals",
    "homeowners", "gamers", "athletes", "travellers", "empty-nesters", "retirees",
)  # fmt: skip
SEGMENT_AGES = (20.0, 26.0, 31.0, 40.0, 36.0, 42.0, 50.0, 25.0, 30.0, 45.0, 57.0, 68.0)  # mean age in years, by segment

DEVICES = ("phone", "desktop", "tablet", "tv")
OSES = ("android", "ios", "windows", "macos", "linux", "webos")
DEVICE_OS_WEIGHTS = (  # share of each OS (columns as in OSES) on each device (rows as in DEVICES)
    (0.62, 0.38, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.70, 0.22, 0.08, 0.0),
    (0.45, 0.50, 0.05, 0.0, 0.0, 0.0),
    (0.40, 0.10, 0.0, 0.0, 0.10, 0.40),
)
REGIONS = (
    "andalucía", "bayern", "cataluña", "flanders", "greater-london", "île-de-france",
    "lisboa", "lombardia", "mazowieckie", "noord-holland", "skåne", "wien",
)  # fmt: skip
AD_FORMATS = ("banner", "native", "video", "interstitial", "carousel")
POSITIONS = (1, 2, 3, 4, 5)
AD_SERVERS = tuple(f"adserver-{number:02d}" for number in range(1, 9))
CURRENCY = "EUR"
