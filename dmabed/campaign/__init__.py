# SPDX-License-Identifier: Apache-2.0
"""Campaigns: every fault at every point of a miniport's life, each in a world of its own."""

from dmabed.campaign.engine import Campaign, run
from dmabed.campaign.model import OUTCOMES, Case, Record
from dmabed.campaign.plan import Plan
from dmabed.campaign.points import Selection

__all__ = ["OUTCOMES", "Campaign", "Case", "Plan", "Record", "Selection", "run"]
