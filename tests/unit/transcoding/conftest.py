from hypothesis import settings

# a busy machine is no fault of what is tested; tests that bound time do so themselves
settings.register_profile("without-deadline", deadline=None)
settings.load_profile("without-deadline")
