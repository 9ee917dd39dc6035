// What several test modules share is at hand in every file of this one.
@_exported public import TestSupport
