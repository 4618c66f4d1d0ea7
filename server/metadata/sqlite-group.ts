/**
 * Group commit: all transactions that wait run one after the other in one SQLite transaction, each in a savepoint of its own, so that a failing one
 * leaves the others, and one fsync serves them all. Nothing is answered before the commit.
 *
 * Input, output and errors travel as bytes (`v8.serialize`: Buffers stay Buffers, and only their own bytes are sent), in memory too, so that a
 * transaction meets the same values wherever it runs.
 */
import { deserialize, serialize } from 'node:v8'
import type { Kysely } from 'kysely'
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import type { Transactor } from './metadata.ts'
import type { Database } from './schema.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { unavailable } from './sqlite-errors.ts'
import { findTransaction, type AnyTransaction } from './transaction.ts'
import { openWait, type WriteWait } from './write-wait.ts'

/** One transaction to run, by name and defining module. `input` is of {@link encodeValue}. */
export interface WriteRequest {
  readonly moduleUrl: string
  readonly name: string
  readonly input: Uint8Array
  /** When it began to wait, by the clock of {@link GroupWay.now}. */
  readonly queuedAt: number
}

/** What a transaction returned, of {@link encodeValue}, or why nothing of it was written. */
export type WriteAnswer = { readonly output: Uint8Array } | { readonly error: WriteError }

/** An error as it crosses threads. */
export type WriteError =
  | {
      readonly kind: 'refusal'
      readonly code: ErrorCode
      readonly message: string
      readonly detail: unknown
      readonly retryAfterSeconds: number | undefined
      readonly stack: string | undefined
    }
  | { readonly kind: 'fault'; readonly name: string; readonly message: string; readonly stack: string | undefined }

/** Does what is asked, all or nothing per request, and answers in order. Rejects when it died and nobody knows what was committed. */
export interface GroupRunner extends AsyncDisposable {
  run(requests: readonly WriteRequest[]): Promise<readonly WriteAnswer[]>
}

/** Structured clone as bytes (`v8.serialize`). Throws for what cannot be cloned, such as functions. */
export const encodeValue = (value: unknown): Uint8Array => serialize(value)
/** The value of {@link encodeValue}'s bytes. The caller knows its type. */
export const decodeValue = (bytes: Uint8Array): unknown => deserialize(bytes) as unknown

/** How a group runs. */
export interface GroupWay {
  /** Milliseconds, by the wall clock of who asked for the writes. */
  readonly now: () => number
  /** May wait for others in a way of its own. */
  readonly begin?: () => void
}

/** Runs the requests as one commit on the writing connection. Never rejects. */
export async function runGroup(
  connection: SqliteConnection,
  db: Kysely<Database>,
  requests: readonly WriteRequest[],
  { now, begin = () => connection.execute('begin immediate') }: GroupWay,
): Promise<WriteAnswer[]> {
  // Modules are loaded before the lock is taken: other processes wait for it.
  const found = await Promise.all(requests.map(lookUp))
  try {
    begin()
  } catch (error) {
    return requests.map(() => ({ error: encodeError(error) }))
  }
  const answers: WriteAnswer[] = []
  try {
    for (const [index, request] of requests.entries()) {
      const answer = await runOne(db, found[index], { ...request, now })
      answers.push(answer)
      // SQLite gave up the whole transaction (full disk, I/O error): what ran before in this group is lost with it, and so is what was seen.
      if (!connection.database.isTransaction) return lost(requests, index, answer)
    }
    connection.execute('commit')
    return answers
  } catch (error) {
    rollBack(connection)
    return requests.map(() => ({ error: encodeError(error) }))
  }
}

type Found = { readonly definition: AnyTransaction } | { readonly error: unknown }

async function lookUp(request: WriteRequest): Promise<Found> {
  try {
    return { definition: await findTransaction(request.moduleUrl, request.name) }
  } catch (error) {
    return { error }
  }
}

async function runOne(db: Kysely<Database>, found: Found | undefined, request: WriteRequest & WriteWait): Promise<WriteAnswer> {
  try {
    if (found === undefined || 'error' in found) return { error: encodeError(found?.error) }
    const input = decodeValue(request.input)
    // The output is encoded inside the savepoint: one that cannot travel must not be committed.
    const run = async (tx: Transactor) => {
      openWait(tx, request)
      return encodeValue(await found.definition.run(tx, input))
    }
    return { output: await db.transaction().execute(run) }
  } catch (error) {
    return { error: encodeError(error) }
  }
}

/** Everyone's answer when the request at `index` cost the group its transaction: its own error for it, what may pass for the others. */
function lost(requests: readonly WriteRequest[], index: number, answer: WriteAnswer): WriteAnswer[] {
  const isFull = 'error' in answer && answer.error.kind === 'refusal' && answer.error.code === 'STORAGE_FULL'
  const others: WriteAnswer = { error: encodeError(isFull ? new RegistryError('STORAGE_FULL') : unavailable()) }
  return requests.map((_, position) => (position === index && 'error' in answer ? answer : others))
}

function rollBack(connection: SqliteConnection): void {
  try {
    if (connection.database.isTransaction) connection.execute('rollback')
  } catch {
    // The error that led here is the one to tell; the next group begins anew or fails by itself.
  }
}

/** A `RegistryError` as a refusal with its code and detail, anything else as a fault; the stack includes those of the causes. */
export function encodeError(error: unknown): WriteError {
  if (error instanceof RegistryError) {
    const { code, message, detail, retryAfterSeconds } = error
    return { kind: 'refusal', code, message, detail: travelling(detail), retryAfterSeconds, stack: stackWithCauses(error) }
  }
  if (error instanceof Error) return { kind: 'fault', name: error.name, message: error.message, stack: stackWithCauses(error) }
  return { kind: 'fault', name: 'Error', message: `not an error: ${typeof error}`, stack: undefined }
}

/** `detail` if it is JSON, as the table of errors asks. */
function travelling(detail: unknown): unknown {
  try {
    encodeValue(detail)
    return detail
  } catch {
    return undefined
  }
}

const maximumCauses = 4

function stackWithCauses(error: Error): string | undefined {
  const stacks: string[] = []
  for (let cause: unknown = error; cause instanceof Error && stacks.length < maximumCauses; cause = cause.cause)
    stacks.push(cause.stack ?? cause.message)
  return stacks.join('\ncaused by: ')
}

/** The error on the caller's side: a RegistryError with its code, or an Error; the writer's stack is kept for the log. */
export function decodeError(error: WriteError): Error {
  if (error.kind === 'fault') {
    const fault = new Error(error.message)
    fault.name = error.name
    if (error.stack !== undefined) fault.stack = error.stack
    return fault
  }
  const { code, detail, message, retryAfterSeconds, stack } = error
  const refusal = new RegistryError(code, detail, { message, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) })
  if (stack !== undefined) refusal.stack = stack
  return refusal
}
