/** Whether the events still are what their seals say, seal by seal, in steps that can be resumed. */
import { lastSeal, lastSealThrough, sealsAfter, type EventSeal } from '#metadata/event-seals.ts'
import { eventsBetween, newestEventId } from '#metadata/events.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import { purgedThrough } from './prune.ts'
import { noSealHash, sealHash, sealRowsMax } from './seal.ts'

/** The first place where rows and seals do not fit. */
export interface SealFault {
  readonly firstId: number
  readonly lastId: number
  readonly sealedAt: number
  /** `missing-seal`: a seal before this one is gone. `rows`: rows are missing or were put in. `content`: a row, or a seal, was changed. */
  readonly kind: 'missing-seal' | 'rows' | 'content'
  readonly expectedRows: number
  readonly foundRows: number
}

/** What one call has looked at. */
export interface Verification {
  readonly seals: number
  readonly events: number
  /** Seals whose rows went by age: they are links of the chain only. */
  readonly purgedSeals: number
  readonly fault?: SealFault | undefined
  /** The last event that was looked at, to go on from; undefined at the end. */
  readonly next?: number | undefined
  /** The newest seal there is: kept elsewhere, its hash proves all before it. */
  readonly head?: { readonly lastId: number; readonly hash: string; readonly at: number } | undefined
  /** Events that no seal is over yet. */
  readonly unsealed: number
  /** Whether a seal has the hash that was asked for. */
  readonly isExpectedFound: boolean
}

/** `after`: the event up to which an earlier call has looked (its `next`). `expected`: a hash in hexadecimal that should be among those looked at. */
export interface VerifyOptions {
  readonly after?: number | undefined
  readonly maximumEvents?: number | undefined
  readonly expected?: string | undefined
  readonly signal?: AbortSignal | undefined
}

const maximumEventsDefault = 50_000
const sealsPerPage = 50

interface Step {
  previous: { readonly hash: Buffer; readonly lastId: number }
  seals: number
  events: number
  purgedSeals: number
  isExpectedFound: boolean
  fault?: SealFault | undefined
}

/** Looks at seals in order until one does not fit, none is left, or enough was looked at. */
export async function verifyEvents({ reader }: Metadata, options: VerifyOptions = {}): Promise<Verification> {
  const { after = 0, maximumEvents = maximumEventsDefault, expected, signal } = options
  const horizon = await purgedThrough(reader)
  const step: Step = { previous: await sealEnding(reader, after), seals: 0, events: 0, purgedSeals: 0, isExpectedFound: false }
  let isAtEnd = false
  const isEnough = () => step.fault !== undefined || step.events >= maximumEvents || signal?.aborted === true
  while (!isAtEnd && !isEnough()) {
    const seals = await sealsAfter(reader, step.previous.lastId, sealsPerPage)
    isAtEnd = seals.length === 0
    for (const seal of seals) {
      if (isEnough()) break
      await checkSeal(reader, seal, step, horizon)
      if (step.fault === undefined && seal.hash.toString('hex') === expected) step.isExpectedFound = true
    }
  }
  return { ...(await endOf(reader)), ...tally(step), ...(isAtEnd || step.fault !== undefined ? {} : { next: step.previous.lastId }) }
}

function tally({ seals, events, purgedSeals, isExpectedFound, fault }: Step) {
  return { seals, events, purgedSeals, isExpectedFound, ...(fault === undefined ? {} : { fault }) }
}

/** Where to go on: what an earlier call found right is taken as it stands. */
async function sealEnding(reader: Reader, lastId: number): Promise<Step['previous']> {
  const seal = await lastSealThrough(reader, lastId)
  return seal === undefined ? { hash: noSealHash, lastId: 0 } : { hash: seal.hash, lastId: seal.last_id }
}

async function checkSeal(reader: Reader, seal: EventSeal, step: Step, horizon: number): Promise<void> {
  const { previous } = step
  step.seals += 1
  if (seal.first_id !== previous.lastId + 1) {
    step.fault = faultOf(seal, 'missing-seal', 0)
    return
  }
  step.previous = { hash: seal.hash, lastId: seal.last_id }
  if (seal.last_id <= horizon) {
    step.purgedSeals += 1
    return
  }
  const rows = await eventsBetween(reader, { after: previous.lastId, through: seal.last_id, limit: sealRowsMax + 1 })
  step.events += rows.length
  if (rows.length !== seal.count) step.fault = faultOf(seal, 'rows', rows.length)
  else if (!sealHash(previous.hash, seal, rows).equals(seal.hash)) step.fault = faultOf(seal, 'content', rows.length)
}

function faultOf(seal: EventSeal, kind: SealFault['kind'], foundRows: number): SealFault {
  return { firstId: seal.first_id, lastId: seal.last_id, sealedAt: seal.at, kind, expectedRows: seal.count, foundRows }
}

async function endOf(reader: Reader): Promise<Pick<Verification, 'head' | 'unsealed'>> {
  const head = await lastSeal(reader)
  const newest = await newestEventId(reader)
  if (head === undefined) return { unsealed: newest }
  return { head: { lastId: head.last_id, hash: head.hash.toString('hex'), at: head.at }, unsealed: Math.max(0, newest - head.last_id) }
}
