"""What a token signs, rebuilt from the document itself: the SignedInfo of the agency's XMLDSig shape.

Enveloped, one Reference to the whole document, inclusive C14N 1.0, rsa-sha256 (docs/agent.md). It shares no code with
the server that prepared the document: what is computed here is what the person at the token agreed to.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from lxml import etree

from agent.failures import NotAsSaid

DS = "http://www.w3.org/2000/09/xmldsig#"
MAX_BYTES = 8 * 1024 * 1024
_XML = "{http://www.w3.org/XML/1998/namespace}"


def parsed(xml: bytes) -> etree._Element:
    """The root of a document that is exactly its own canonical form. Raises NotAsSaid."""
    if len(xml) > MAX_BYTES:
        raise NotAsSaid(f"Văn bản dài {len(xml)} byte, quá giới hạn {MAX_BYTES}; không ký.")
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise NotAsSaid("Văn bản có DOCTYPE hoặc ENTITY; không ký.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(xml, parser)
        canonical = etree.tostring(root.getroottree(), method="c14n", with_comments=False)
    except (etree.XMLSyntaxError, etree.C14NError) as error:
        raise NotAsSaid("Văn bản không phải XML đọc được; không ký.") from error
    if canonical != xml:
        raise NotAsSaid("Văn bản không ở dạng chuẩn (C14N): nội dung đọc được khác nội dung sẽ ký; không ký.")
    return root


def signed_info(xml: bytes, slot: str) -> bytes:
    """The canonical SignedInfo of a signature in the empty element `slot` ("Hoso/CKy_Dvi") of `xml`.

    Raises NotAsSaid unless there is exactly one such element, empty, and no signature yet.
    """
    root = parsed(xml)
    names = slot.split("/")
    found = [root] if root.tag == names[0] else []
    for name in names[1:]:
        found = [child for element in found for child in element if child.tag == name]
    if len(found) != 1 or len(found[0]) or found[0].text or found[0].attrib:
        raise NotAsSaid(f"Văn bản không có đúng một chỗ ký trống {slot}; không ký.")
    place = found[0]
    if any(isinstance(e.tag, str) and e.tag.startswith(f"{{{DS}}}") for e in root.iter()):
        raise NotAsSaid("Văn bản đã có chữ ký; không ký.")
    if any(str(name).startswith(_XML) for e in (place, *place.iterancestors()) for name in e.attrib):
        raise NotAsSaid("Văn bản có thuộc tính xml: quanh chỗ ký; không ký.")
    scope = sorted((prefix, uri) for prefix, uri in place.nsmap.items() if prefix is not None)
    if None in place.nsmap or any(set('&<"\r\n\t') & set(uri) for _, uri in scope):
        raise NotAsSaid("Văn bản có không gian tên không dùng được quanh chỗ ký; không ký.")
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in scope)
    whole = b64encode(sha256(xml).digest()).decode()
    return (
        f'<SignedInfo xmlns="{DS}"{declared}>'
        '<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod>'
        '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>'
        f'<Reference URI=""><Transforms><Transform Algorithm="{DS}enveloped-signature"></Transform></Transforms>'
        '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod>'
        f"<DigestValue>{whole}</DigestValue></Reference></SignedInfo>"
    ).encode()
