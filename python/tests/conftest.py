import pytest

from catchment import Catchment


@pytest.fixture(scope="session")
def catchment():
    """The dataset in the package."""
    return Catchment()


@pytest.fixture
def patients():
    """Made-up patients, as columns. The third postcode has the letter O instead of a zero."""
    return {
        "nhs_number": ["9990000011", "9990000022", "9990000033", "9990000044", "9990000055"],
        "postcode": ["LA18 4DB", "la105dl", "LA1O 5DL", "ZZ99 3VZ", None],
        "gp_practice_code": ["P81064", "A82608", "A82608", None, "A82033"],
        "weight": [1.5, 2.0, 3.25, 4.0, 5.0],
    }
