"""What the vendor counted, for reports and tests."""

from collections import Counter
from typing import Any

from closet_devstack.sandbox.perfect.tasks import Task
from closet_devstack.sandbox.perfect.world import World

_TOO_MANY = 429


def stats(world: World) -> dict[str, Any]:
    tasks, accounts = world.tasks.values(), world.accounts.by_key
    return {
        "tasksCreated": len(tasks),
        "tasksByStatus": Counter(task.status for task in tasks),
        "tasksByFeature": Counter(task.feature.name for task in tasks),
        "calls": sum(world.calls.values()),
        "callsByOperation": world.calls,
        "answersByStatus": {str(status): count for status, count in world.answers.items()},
        "http429": world.answers[_TOO_MANY],
        "unitsBalance": sum(account.balance for account in accounts.values()),
        "unitsBalanceByKey": {key: account.balance for key, account in accounts.items()},
        "unitsCharged": sum(account.charged for account in accounts.values()),
        "unitsChargedByKey": {key: account.charged for key, account in accounts.items()},
        "webhooks": world.webhooks,
        "resultsDownloaded": len(world.downloaded),
    }


def shown(task: Task) -> dict[str, Any]:
    """A task, for whoever holds the remote control. Times are the vendor's, but for `createdAtReal`."""
    return {
        "taskId": task.id,
        "key": task.key,
        "feature": task.feature.name,
        "status": task.status,
        "error": task.error,
        "inputs": [reference.place for reference in task.order.references],
        "options": task.order.options,
        "latencyMs": task.latency_ms,
        "looks": task.looks,
        "unitsCharged": task.charged,
        "gone": task.gone,
        "createdAt": task.created_at,
        "endedAt": task.ended_at,
        "createdAtReal": task.created_at_real,
    }
