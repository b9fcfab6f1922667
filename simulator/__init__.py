"""The agency as seen from outside: gateway, officer, mails and faults on demand. A program of its own, for tests only.

It imports nothing of hoso and is imported by nothing of hoso: it parses, verifies and renders with its own code,
so that one mistake cannot be made on both sides. Rooms, in the order a filing passes through them: `gateway` (HTTP),
`gate` (what is refused at once), `officer` (what is decided later), `postman` (what is mailed), `store` (what is kept).
"""
