# SPDX-License-Identifier: Apache-2.0
from _base import Example


class Plain(Example):
    pass
