/** PostgreSQL's states (Appendix A of its manual) and the socket's errors, in the words of the error table. */
import { RegistryError } from '#oci/errors.ts'

/** Refused by a server that lives: authentication, an unknown database, a role that may not log in. Waiting helps only when somebody mends it. */
const refusedStates: ReadonlySet<string> = new Set(['28P01', '28000', '3D000', '42501'])

/** The server goes, is gone, or is one that only reads. */
const awayStates: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '25006', '25P03'])

/** What a later try may not meet: conflicts, memory, locks, time, the disk of the server. */
const passingStates: ReadonlySet<string> = new Set(['40001', '40P01', '53200', '53400', '55P03', '57014', '58030'])

const awayErrors: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'ERR_STREAM_DESTROYED',
])

const retryAfterSeconds = 2

/** The connection is lost or cannot be made. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError'
}

/** What PostgreSQL said of a statement, without the values of rows that its own errors carry. */
export class StatementError extends Error {
  override readonly name = 'StatementError'
  /** SQLSTATE. */
  readonly code: string
  readonly constraint: string | undefined

  constructor(code: string, message: string, constraint: string | undefined) {
    super(message)
    this.code = code
    this.constraint = constraint
  }
}

function textOf(error: unknown, field: 'code' | 'constraint'): string | undefined {
  const value = error instanceof Error ? (error as unknown as Readonly<Record<string, unknown>>)[field] : undefined
  return typeof value === 'string' ? value : undefined
}

/** SQLSTATE or the system's code of the error, if it has one. */
export function codeOf(error: unknown): string {
  return textOf(error, 'code') ?? ''
}

const isState = (code: string): boolean => /^[0-9A-Z]{5}$/.test(code)

/** The error of a driver in our own words: lost connection, or what the server said. */
export function ownError(error: unknown): Error {
  if (error instanceof ConnectionLostError || error instanceof StatementError) return error
  // A value that cannot be read or sent: a fault of ours.
  if (error instanceof RangeError || error instanceof TypeError) return error
  const code = codeOf(error)
  if (isState(code) && !awayErrors.has(code)) {
    const { message } = error as Error
    const said = new StatementError(code, message, textOf(error, 'constraint'))
    return isAwayState(code) || isHotStandby(said) ? new ConnectionLostError(message, { cause: said }) : said
  }
  // Whatever pg reports without a state is about the connection: it ended, it was refused, its greeting could not be read.
  return new ConnectionLostError(error instanceof Error ? error.message : 'the connection to PostgreSQL failed', { cause: error })
}

/** A standby knows no serializable transactions, and says so before it says that it only reads. */
export function isHotStandby(error: unknown): boolean {
  return codeOf(error) === '0A000' && error instanceof Error && error.message.includes('hot standby')
}

function isAwayState(code: string): boolean {
  return code.startsWith('08') || awayStates.has(code)
}

/** Whether the transaction lost against another and does the same again with another outcome. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01'
}

/** Whether another transaction took a unique key first, which this one finds when it is done again. */
export function isTaken(error: unknown): boolean {
  return codeOf(error) === '23505'
}

/** A kept statement whose result another version of the schema changed: prepared anew it works. */
export function isStalePlan(error: unknown): boolean {
  return codeOf(error) === '0A000' && error instanceof Error && error.message.includes('cached plan')
}

/** Whether the server answers and refuses this client. */
export function isRefusal(error: unknown): boolean {
  const said = error instanceof ConnectionLostError ? error.cause : error
  return refusedStates.has(codeOf(said))
}

/** As translateSqliteError: STORAGE_FULL, UNAVAILABLE for what may pass, everything else as it is. */
export function translatePostgresError(error: unknown): Error {
  if (error instanceof RegistryError) return error
  if (error instanceof ConnectionLostError) return unavailable(error)
  if (!(error instanceof StatementError)) return error as Error
  if (passingStates.has(error.code)) return unavailable(error)
  switch (error.code) {
    case '53100':
      return new RegistryError('STORAGE_FULL', undefined, { cause: error })
    // A text with U+0000, which it cannot keep.
    case '22021':
      return new RegistryError('REQUEST_INVALID', undefined, { message: 'a text must not contain U+0000', cause: error })
    default:
      return error
  }
}

/** The database is away, or closed. */
export function unavailable(cause?: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', undefined, { cause, retryAfterSeconds })
}
