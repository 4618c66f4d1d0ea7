/** Error codes that are told in every language; the others are told in the server's words. */
export const en = {
  UNAUTHORIZED: 'Sign in to see this, or check name and password.',
  DENIED: 'You have no right to do this.',
  ELEVATION_REQUIRED: 'This needs a fresh proof of who you are.',
  NAME_UNKNOWN: 'There is no such repository, or you may not see it.',
  MANIFEST_UNKNOWN: 'There is no such image here.',
  RESOURCE_UNKNOWN: 'There is no such thing, or you may not see it.',
  CONFLICT: 'What is there stands in the way.',
  PRECONDITION_FAILED: 'It was changed in between: read it again.',
  REQUEST_INVALID: 'Something in the form does not fit.',
  TOOMANYREQUESTS: 'Too many attempts: wait a little.',
  UNAVAILABLE: 'The registry cannot answer now: try again soon.',
  UNKNOWN: 'Something went wrong in the registry.',
} as const
