/** What a handler threw, as a sentence for the row and the list. */

const lengthMax = 2_000

/** Handlers may throw anything at all, and messages may be as long as they like. */
export function describeError(thrown: unknown): string {
  return textOf(thrown).slice(0, lengthMax)
}

function textOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message
  if (typeof thrown === 'string' && thrown !== '') return thrown
  return `something was thrown that is no error: ${typeof thrown}`
}
