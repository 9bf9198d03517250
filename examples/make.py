"""Writes the tables of this folder anew: `python examples/make.py`. All of it is made up, and the same in every run."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
MONTHS = ("2024-01", "2024-02", "2024-03")
SHOP_FIRST = (  # rows of January that docs/add-a-data-set.md shows
    '1001;03.01.2024 09:15;phone;"1.234,50";4;310;yes',
    '1002;03.01.2024 09:20;;"19,90";-;12;no',
    '1003;03.01.2024 10:02;desktop;"7,00";1;95;no',
)
SHOP_ROWS, MAIL_ROWS, NUM_USERS = 800, 800, 150


def main() -> None:
    write_months(HERE / "shop", "order_id;time;device;basket;visits;session_s;bought", shop_rows)
    write_months(HERE / "mail", "impression\tsent\tuserid\tsubject\thour_opened", mail_rows)
    write_users(HERE / "mail/users.csv")
    write_clicks(HERE / "mail/clicks.csv")


def write_months(folder: Path, header: str, rows_of: Callable[[int, str], list[str]]) -> None:
    folder.mkdir(exist_ok=True)
    for number, month in enumerate(MONTHS):
        write(folder / f"{month}.csv", [header, *rows_of(number, month)])


def shop_rows(number: int, month: str) -> list[str]:
    """Visits of a shop: who has seen much, and sits at a desk, buys."""
    rng = Random(100 + number)
    rows = list(SHOP_FIRST) if number == 0 else []
    for order, time in enumerate(times(rng, month, SHOP_ROWS - len(rows)), start=1001 + number * SHOP_ROWS + len(rows)):
        device, visits = rng.choice(("phone", "phone", "desktop", "tablet", "")), rng.choice((1, 1, 2, 3, 4, 6, 9, None))
        basket = rng.lognormvariate(3.4, 1.0)
        appeal = 0.08 + 0.03 * (visits or 0) + 0.12 * (device == "desktop") + 0.05 * (basket > 40)
        bought = rng.random() < appeal
        price = f"{basket:,.2f}".translate(str.maketrans(",.", ".,"))
        shown = "-" if visits is None else visits
        rows.append(f'{order};{time:%d.%m.%Y %H:%M};{device};"{price}";{shown};{rng.randrange(10, 600)};{("no", "yes")[bought]}')
    return rows


def mail_rows(number: int, month: str) -> list[str]:
    """Mails of a newsletter; who clicked stands in a log of its own."""
    rng = Random(200 + number)
    first = 1 + number * MAIL_ROWS
    return [
        f"{impression}\t{time:%Y-%m-%d %H:%M:%S}\tu{rng.randrange(NUM_USERS):03d}\t{subject_of(impression)}\t{rng.randrange(24)}"
        for impression, time in enumerate(times(rng, month, MAIL_ROWS), start=first)
    ]


def subject_of(impression: int) -> str:
    return ("sale", "news", "recipe", "survey")[Random(impression).randrange(4)]


def write_users(path: Path) -> None:
    rng = Random(300)
    lines = [f"u{user:03d},{rng.choice(('north', 'south', 'west'))},{rng.randrange(18, 80)}" for user in range(NUM_USERS)]
    write(path, ["user,region,age", *lines])


def write_clicks(path: Path) -> None:
    """Sales are clicked most, surveys least."""
    rng = Random(400)
    share = {"sale": 0.3, "news": 0.12, "recipe": 0.18, "survey": 0.04}
    num_mails = MAIL_ROWS * len(MONTHS)
    clicked = [mail for mail in range(1, num_mails + 1) if rng.random() < share[subject_of(mail)]]
    write(path, ["impression,device", *(f"{mail},{rng.choice(('phone', 'desktop'))}" for mail in clicked)])


def times(rng: Random, month: str, number: int) -> list[datetime]:
    """`number` times of the month, ascending; from the fourth day on, after the rows that the page shows."""
    start = datetime.fromisoformat(f"{month}-04")
    return sorted(start + timedelta(minutes=rng.randrange(24 * 60 * 24)) for _ in range(number))


def write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
