"""Plain strings that '' unsets, although the SDK's types do not say so.

The SDK types most of what can be unset as ``Literal[''] | str``. These it does not.
"""

#: By the name of the TypedDict. That of the subscription is recorded, the others are inferred.
UNSETTABLE: dict[str, frozenset[str]] = {
    "SubscriptionUpdateParams": frozenset({"default_payment_method"}),
    "InvoiceUpdateParams": frozenset({"default_payment_method"}),
    "CustomerUpdateParams": frozenset({"description", "email", "name", "phone"}),
    "CustomerUpdateParamsInvoiceSettings": frozenset({"default_payment_method", "footer"}),
}
