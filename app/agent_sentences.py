"""What the commands about workstations say: name -> (Vietnamese, English); and their help in Vietnamese."""

from __future__ import annotations

AGENT_SENTENCES: dict[str, tuple[str, str]] = {
    "col.profile": ("Chữ ký số", "Profile"),
    "col.status": ("Tình trạng", "Status"),
    "col.moment": ("Hạn mã / liên lạc lúc", "Expires / seen"),
    "agent.code": (
        "Mã dùng một lần cho chữ ký số “{profile}”, còn hiệu lực {minutes} phút và không hiện lại. Ở máy trạm: hoso-agent enrol",
        "A one-time code for the profile '{profile}', valid for {minutes} minutes and not shown again. At the workstation: hoso-agent enrol",
    ),
    "agent.none": (
        "không có mã hay máy trạm '{id}' còn hiệu lực; xem `hoso agent-code list`",
        "there is no code or workstation '{id}' in force; see `hoso agent-code list`",
    ),
    "agent.token": (
        "Đã khai báo token của máy chủ cho chữ ký số “{name}”. Thử: hoso profile test",
        "The server's token is declared for the profile '{name}'. Try it: hoso profile test",
    ),
    "agent.certificates": (
        "{module}: cần đúng một chứng thư số, đang thấy: {serials}; cắm token hoặc chọn bằng --certificate",
        "{module}: exactly one certificate is needed, there are: {serials}; plug the token in, or name one with --certificate",
    ),
    "agent.revoked": ("Đã thu hồi {id}.", "{id} is revoked."),
}

COMMANDS: dict[str, str] = {
    "agent": "Ký bằng USB token ở máy này: hoso agent --help. Như hoso-agent, chương trình nhỏ hơn để cài ở máy trạm.",
    "profile add-token": "Ký bằng token hoặc HSM cắm ở máy chủ này. PIN ở lại trong tệp của nó và chưa được thử.",
    "agent-code": "Các máy trạm ký bằng USB token, và mã ghi danh dùng một lần của chúng.",
    "agent-code new": "Lập mã dùng một lần để một máy trạm ghi danh (hoso-agent enrol). Mã chỉ được in ra lần này.\n\n"
    "Chỉ mã được in ra stdout. Khi mã được dùng, chữ ký số ký bằng chứng thư số trên token của máy trạm đó; máy "
    "trạm trước của nó hết hiệu lực.",
    "agent-code list": "Các mã còn dùng được, và các máy trạm đang có hiệu lực cùng tình trạng. Mã kết thúc 1 khi không có.",
    "agent-code revoke": "Thu hồi một mã hoặc một máy trạm, ngay lập tức. Hồ sơ cần nó sẽ chờ máy trạm khác.",
}

OPTIONS: dict[str, str] = {
    "Whose token it is.": "Token của khách hàng nào.",
    "The signing profile that the workstation will sign for.": "Chữ ký số mà máy trạm sẽ ký.",
    "The token's PKCS#11 library.": "Thư viện PKCS#11 của token.",
    "Its first line is the PIN; only the signer's user may read it.": "Dòng đầu của tệp là PIN; chỉ người dùng của dịch "
    "vụ ký đọc được.",
    "Serial number or beginning of the SHA-256, when there are several.": "Số sê-ri hoặc đầu của SHA-256, khi có nhiều.",
    "How long the code is valid.": "Mã có hiệu lực bao lâu, tính bằng phút.",
    "From hoso agent-code list.": "Lấy từ hoso agent-code list.",
}
