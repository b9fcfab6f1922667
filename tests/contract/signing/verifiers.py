"""Three verifiers that share no code with hoso: xmlsec1 (libxml2, C), the JDK (Java) and signxml (Python).

Each is given documents, the signer's certificate and a folder, and says for every document whether its signature holds.
signxml verifies inclusive C14N under a default namespace only when the element is parsed anew before it is
canonicalised: lxml writes a spurious xmlns="" there otherwise (lxml 5.2 to 6.1).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lxml import etree
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from tests.contract.signing.pki import Employer
from tests.support.needs import absent

DS = "http://www.w3.org/2000/09/xmldsig#"
_IDS = (f"{DS}:KeyInfo", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties")


def _needed(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        absent(f"{program} is not installed: apt-get install {package}")
    return found


def _written(documents: Sequence[bytes], folder: Path) -> list[Path]:
    paths = [folder / f"{position:04}.xml" for position in range(len(documents))]
    for path, document in zip(paths, documents, strict=True):
        path.write_bytes(document)
    return paths


def xmlsec1(documents: Sequence[bytes], by: Employer, folder: Path) -> list[bool]:
    program = _needed("xmlsec1", "xmlsec1")
    pem = folder / "signer.pem"
    pem.write_bytes(by.pem)
    ids = [word for name in _IDS for word in ("--id-attr:Id", name)]
    command = [program, "--verify", "--pubkey-cert-pem", str(pem), *ids]
    return [
        subprocess.run([*command, str(path)], capture_output=True, check=False).returncode == 0
        for path in _written(documents, folder)
    ]


def jdk(documents: Sequence[bytes], by: Employer, folder: Path) -> list[bool]:
    program = _needed("java", "default-jdk-headless")
    pem = folder / "signer.pem"
    pem.write_bytes(by.pem)
    source = Path(__file__).with_name("Verify.java")
    command = [program, str(source), str(pem), *map(str, _written(documents, folder))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line == "ok" for line in done.stdout.split()]


class IsolatingVerifier(XMLVerifier):
    """signxml's verifier with every element parsed on its own before it is canonicalised."""

    def _c14n(self, nodes: Any, *args: Any, **kwargs: Any) -> bytes:
        many = nodes if isinstance(nodes, list) else [nodes]
        alone = [
            node if node.getparent() is None else etree.fromstring(etree.tostring(node, with_tail=False))
            for node in many
        ]
        canonical: bytes = super()._c14n(alone, *args, **kwargs)
        return canonical


def signxml(documents: Sequence[bytes], by: Employer, folder: Path) -> list[bool]:
    return [_signxml_holds(document, by) for document in documents]


def _signxml_holds(document: bytes, by: Employer) -> bool:
    try:
        count = len(etree.fromstring(document).findall(f".//{{{DS}}}Signature//{{{DS}}}SignedInfo/{{{DS}}}Reference"))
        config = SignatureConfiguration(location=".//", expect_references=count)
        IsolatingVerifier().verify(document, x509_cert=by.certificate, expect_config=config)
    except (SignXMLException, ValueError, etree.XMLSyntaxError):
        return False
    return True


VERIFIERS = (xmlsec1, jdk, signxml)
