"""The program of the workstation that holds a USB token: shows what is to be signed, asks, signs, and nothing else.

It imports nothing of the rest of the project and nothing that exists on one system only: the standard library,
cryptography, lxml and python-pkcs11. One process, one thread (python-pkcs11 crashes with two).
"""
