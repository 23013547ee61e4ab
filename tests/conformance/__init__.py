"""The sandbox beside recordings of the real API: replayed request by request, compared whole."""
