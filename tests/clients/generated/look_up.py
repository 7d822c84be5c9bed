"""Looks up a postcode with the generated Python client. Usage: look_up.py ORIGIN"""

import sys
from typing import Any

from catchment_client import Client
from catchment_client.api.directory import get_practice
from catchment_client.api.look_up import locate, locate_by_post
from catchment_client.models import Answer, LocateRequest, PracticeDetail, Problem

# The generator does not recognise that an API key is optional, so the types of these functions require a client with a
# key.
client: Any = Client(base_url=sys.argv[1])
request = LocateRequest(postcode="LA18 4DB", practice="P81002")
answer = locate_by_post.sync(client=client, body=request)
assert isinstance(answer, Answer), answer
areas = answer.residence["icc"]
assert isinstance(areas, list)
assert areas[0].name == "Barrow and Millom ICC", areas[0].name
assert answer.agreement.value == "differ", answer.agreement
assert answer.registration is not None and answer.registration.practice is not None
assert answer.registration.practice.name == "Lancaster Medical Practice"

practice = get_practice.sync("P81002", client=client)
assert isinstance(practice, PracticeDetail), practice
assert practice.additional_properties["icc"] == ["mb-lancaster"]
assert len(practice.premises) > 1

problem = locate.sync(client=client, postcode="LA1O 5DL")
assert isinstance(problem, Problem), problem
assert (problem.code, problem.suggestion) == ("malformed", "LA10 5DL")
print("the Python client looked LA18 4DB up")
