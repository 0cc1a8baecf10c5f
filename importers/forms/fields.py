from django import forms


class DateInput(forms.DateInput):
    """The browser's own date picker, whose values are ISO dates."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")
