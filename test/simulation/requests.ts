/** One request of a client: made, watched and judged. */
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import type { Actor } from '#registry/registry.ts'
import type { Call } from './model.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

export type Answer<T> =
  | { readonly kind: 'done'; readonly value: T; readonly call: Call }
  | { readonly kind: 'not'; readonly code: ErrorCode; readonly error: RegistryError; readonly call: Call }

interface Request<T> {
  readonly what: string
  /** The event that there must be exactly one of when it is done. Of the value, where that decides. */
  readonly event?: string | ((value: T) => string | undefined)
  readonly run: (actor: Actor, call: Call) => Promise<T>
}

/** Makes the request of that process, and tells the model of it. A request of a process that dies is never answered. */
export async function request<T>(world: World, process: SimProcess, { what, event, run }: Request<T>): Promise<Answer<T>> {
  const { model, scheduler, faults } = world
  const call = model.begin(what, process)
  try {
    const value = await run({ name: 'client', requestId: call.id }, call)
    model.end(call, 'done', typeof event === 'function' ? event(value) : event)
    return { kind: 'done', value, call }
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status === 500) {
      model.end(call, 'failed')
      model.violate(`${call.id} ${what} failed with a fault of the program: ${explain(error)}`)
      return { kind: 'not', code: 'UNKNOWN', error: new RegistryError('UNKNOWN'), call }
    }
    model.end(call, error.status > 500 ? 'failed' : 'refused')
    scheduler.note(`${call.id} ${error.code}`)
    const isExcused = faults.firstAt <= scheduler.steps || model.lastLeapStep >= call.startStep
    if (error.status > 500 && !isExcused)
      model.violate(`${call.id} ${what} failed with ${error.code} where nothing was wrong: ${explain(error)}`)
    return { kind: 'not', code: error.code, error, call }
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.stack ?? error.message}${error.cause === undefined ? '' : `\n  because: ${explain(error.cause)}`}`
}
