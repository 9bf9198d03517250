"""Where each byte of a segment stands, format 1; docs/journal.md says it in words, serving/native/journal/ in C."""

from struct import Struct

FORMAT = 1
SEGMENT_HEAD = Struct("<8sII")  # magic, format, nothing
SEGMENT_MAGIC = b"adcljrnl"
FRAME_HEAD = Struct("<4sIII")  # magic, bytes of the payload, kind, CRC-32 of these two and of the payload
FRAME_MAGIC = b"\xf7JR\n"
CHECKED = slice(4, 12)  # of a frame's head, before the payload
OPENED, ANSWERS, REFUSALS, LOSS, CLOSED, EVENT = range(1, 7)  # kinds

ANSWERS_HEAD = Struct("<HHIIIqQ")  # sections, nothing, rows, requests, rows of the graph's call, answer time, route
SECTION = Struct("<HI")  # tag, bytes; so many stand behind the head, and then their contents in the same order
REQUESTS, REQUEST_IDS, EVENT_TIMES, KEY_LENGTHS, KEYS, TEXT_LENGTHS, TEXT, NUMBERS, IDS, OUTPUTS, IMAGES = range(1, 12)
LOOKS, EMBEDDINGS = 14, 15
ERASED = 16  # rows that were erased, which no writer writes; 12 and 13 are kept for what comes
ROUTING, ROUTING_KEY_LENGTHS, ROUTING_KEYS = 17, 18, 19
REQUEST = Struct("<16sIIBBH")  # id of the answer, rows, release, status, arm, bytes of the request's id
ANSWERED, HANDED_ON, SHADOW, FALLBACK = range(4)  # status
NONE, CHAMPION, CHALLENGER = range(3)  # arm, as the route assigned it
NO_ROUTE = 0
ROUTED = Struct("<IB3x")  # bucket, flags: of each request
NO_BUCKET = 2**32 - 1
KEY_SENT, RELEASE_ASKED, CHALLENGER_OFF = 1, 2, 4  # flags
NOT_SENT = -(2**63)  # an event time
IMAGE = Struct("<I32s")  # row, SHA-256 of its image
LOOK = Struct("<4I3fB3x")  # row, bytes of its image, width, height, brightness, contrast, colourfulness, format
IMAGE_FORMATS = {"PNG": 1, "JPEG": 2}
EMBEDDING_HEAD = Struct("<I")  # dimension E; a row as uint32 and E float32 follow for each row
ROW = Struct("<I")  # that was erased
LONGEST_SHORT = 2**16 - 1  # bytes of a text whose length has 16 bits

REFUSAL = Struct("<qQIIHH")  # time, bytes, rows, release, bytes of the rule, bytes of the request's id; both follow
LOST = Struct("<QQqq")  # requests, rows, since, until
COUNTS = Struct("<QQQQ")  # frames but the first and this one, requests, rows, refused requests
