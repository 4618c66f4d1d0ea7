/** What a handler throws when no other try could do better before somebody has mended something: the job has failed at once, and `berth job retry` goes on. */
export class FinalFailure extends Error {
  override readonly name = 'FinalFailure'
}
