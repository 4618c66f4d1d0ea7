/** Between whoever meets a demand for a fresh proof and the dialog that gets it. */

/** Somebody waits for a proof. */
export interface ElevationRequest {
  readonly done: () => void
  readonly cancelled: () => void
}

/** Thrown where the person closed the dialog: nothing went wrong, nothing was done. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled'
}

let listener: ((request: ElevationRequest) => void) | undefined
/** Who asked before the dialog was loaded. */
let waiting: ElevationRequest | undefined

/** The dialog waits for requests. */
export function onElevationWanted(handler: (request: ElevationRequest) => void): () => void {
  listener = handler
  if (waiting !== undefined) handler(waiting)
  waiting = undefined
  return () => {
    listener = undefined
  }
}

/** Resolves when the proof was given; throws {@link Cancelled} when it was not. */
export function askForElevation(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const request = { done: resolve, cancelled: () => reject(new Cancelled()) }
  if (listener === undefined) waiting = request
  else listener(request)
  return promise
}
