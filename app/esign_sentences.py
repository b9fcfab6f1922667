"""What the commands about remote signing say: name -> (Vietnamese, English); and their help in Vietnamese."""

from __future__ import annotations

ESIGN_SENTENCES: dict[str, tuple[str, str]] = {
    "prompt.client_key": ("Khoá đối tác (x-clientkey)", "Partner key (x-clientkey)"),
    "prompt.otp": ("Mã xác thực hai lớp", "One-time code"),
    "esign.in": ("Chữ ký số {name} đã đăng nhập MISA eSign.", "Signing profile {name} is logged in at MISA eSign."),
    "esign.code_sent": (
        "MISA eSign đã gửi mã; nhập bằng: hoso profile login {tenant} {name}",
        "MISA eSign sent a code; give it with: hoso profile login {tenant} {name}",
    ),
    "esign.no_code": ("không có mã xác thực nào được nhập", "no one-time code was given"),
}

COMMANDS: dict[str, str] = {
    "profile add-esign": "Khai báo tài khoản ký số từ xa MISA eSign; mọi mật khẩu được niêm phong. Cùng tên là thay.\n\n"
    "Đăng nhập ngay để tìm chứng thư số. Khi tài khoản có nhiều chứng thư số thì --serial chọn một.",
    "profile login": "Nhập mã xác thực hai lớp mà MISA eSign vừa gửi. Hồ sơ đang chờ sẽ tự đi tiếp.\n\n"
    "Với --anew: thử đăng nhập lại sau khi đã sửa tài khoản bên MISA eSign.",
}

OPTIONS: dict[str, str] = {
    "The service's address.": "Địa chỉ dịch vụ.",
    "The account's user name.": "Tên đăng nhập của tài khoản.",
    "The partner's x-clientid.": "x-clientid của đối tác.",
    "Its first line is the partner's x-clientkey. Default: asked for.": "Dòng đầu là x-clientkey của đối tác. Mặc định: hỏi.",
    "Which certificate: its serial number or SHA-256, hexadecimal.": "Chứng thư số nào: số sê-ri hoặc SHA-256, hệ 16.",
    "Read the one-time code from standard input.": "Đọc mã xác thực từ đầu vào chuẩn.",
    "Have a new one-time code sent.": "Yêu cầu gửi mã mới.",
    "Try the log-in again although it was refused.": "Thử đăng nhập lại dù trước đó bị từ chối.",
    "Minutes after which a prompt on a phone can no longer be approved.": "Sau bấy nhiêu phút thì yêu cầu trên điện "
    "thoại không còn duyệt được.",
}
