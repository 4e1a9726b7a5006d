"""Where each fenced block of the READMEs is run, or why it is not. A block that is in neither table fails a test."""

Place = tuple[str, int]

_HERE = "tests/readmes/test_readmes.py"
_COMPOSE = "tests/compose/test_compose.py"
_MAKE = "tests/e2e/test_make.py"
SANDBOX = "libs/devstack/src/closet_devstack/sandbox/perfect/README.md"

RUN: dict[Place, str] = {
    ("README.md", 1): f"{_HERE}::test_every_target_of_make_is_there",  # a test cannot run all tests; demo: test_make.py
    ("README.md", 2): f"{_MAKE}::test_make_run_works_in_two_clones_at_once_and_leaves_nothing",
    ("README.md", 3): f"{_HERE}::test_the_first_steps_beside_make_run",
    ("contracts/README.md", 0): f"{_HERE}::test_an_event_comes_back_as_it_went",
    ("deploy/README.md", 0): f"{_COMPOSE}::test_a_tenant_made_as_told_has_its_picture",
    ("deploy/README.md", 1): f"{_COMPOSE}::test_a_tenant_made_as_told_has_its_picture",
    ("libs/client/README.md", 0): f"{_HERE}::test_the_sdk_makes_a_picture",
    ("libs/client/README.md", 1): f"{_HERE}::test_every_command_of_a_shop",
    ("libs/operator/README.md", 0): f"{_HERE}::test_every_command_of_an_operator",
    ("libs/operator/README.md", 1): f"{_HERE}::test_the_operators_commands_with_a_services_database",
    ("libs/storage/README.md", 0): f"{_HERE}::test_what_an_operator_does_to_storage",
    (SANDBOX, 0): f"{_HERE}::test_the_sandbox_by_hand",
    (SANDBOX, 1): f"{_HERE}::test_the_sandbox_by_hand",
    (SANDBOX, 2): f"{_HERE}::test_the_sandbox_by_hand",
    (SANDBOX, 3): f"{_HERE}::test_the_sandbox_by_hand",
}
"""Place -> the test that runs it."""

FRAGMENTS: dict[Place, str] = {
    ("libs/chassis/README.md", 0): "the shape of a service's own modules, whose names stand for a service's",
    ("libs/messaging/README.md", 0): "as above",
    ("libs/storage/README.md", 1): "lines from a service, which has settings, a tenant and an upload",
    ("libs/devstack/README.md", 0): "lines from a test; libs/devstack/tests/test_stack.py does what they do",
}
"""Python that no program is made of: held to be Python."""

DRAWINGS: set[Place] = {
    ("README.md", 0),
    ("README.md", 4),  # held by test_root.py
    ("services/job-orchestrator/README.md", 0),
    ("services/perfect-adapter/README.md", 0),
    ("services/upload-signer/README.md", 0),
}
