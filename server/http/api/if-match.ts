/**
 * If-Match (RFC 9110 §13.1.1): a change that is made only when the thing is still what the caller read.
 *
 * The problem: one that is sent and ignored lets a caller overwrite what they meant to protect. The way: where the thing has an ETag, the verb compares
 * inside its transaction; everywhere else an If-Match is refused. `*` asks for nothing but that the thing is there, which every verb sees to itself. What a POST makes has no state
 * before, and so takes none; but one that points a tag moves the tag too, so there the header is about the tag.
 */
import type { RouteContract } from '#api/contract.ts'
import { RegistryError } from '#oci/errors.ts'

const tagsMax = 16
const list = /^\s*(?:W\/)?"[\x21\x23-\x7e]{1,200}"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e]{1,200}")*\s*$/

/** The tags that the header names, without quotes; undefined without a header, and for `*`. Weak ones match nothing (§8.8.3.2: the strong comparison). */
export function tagsOf(header: string | undefined): readonly string[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const tags = list.test(header)
    ? [...new Set([...header.matchAll(/(W\/)?"([^"]+)"/g)].flatMap(([, weak, tag = '']) => (weak === undefined ? [tag] : [])))]
    : []
  if (tags.length > 0 && tags.length <= tagsMax) return tags
  throw new RegistryError('PRECONDITION_FAILED', undefined, { message: 'If-Match is none of our ETags' })
}

/** Whether a request to the route may be bound to a state of what it is about. */
export function comparesIfMatch({ hasEtag, status }: Pick<RouteContract, 'hasEtag' | 'status'>): boolean {
  return hasEtag === 'digest' || (hasEtag !== undefined && status !== 201)
}

/** A version that no row has. */
const noVersion = -1

/**
 * What the handler is to compare with, one after the other: the first that does not fail is the answer. Throws where the route compares with nothing.
 */
export function expectedOf(contract: RouteContract, header: string | undefined): readonly (number | string | undefined)[] {
  const tags = tagsOf(header)
  if (tags === undefined) return [undefined]
  if (!comparesIfMatch(contract))
    throw new RegistryError('PRECONDITION_FAILED', undefined, { message: 'there is no ETag here: send the request without If-Match' })
  if (contract.hasEtag === 'digest') return tags
  return tags.map((tag) => (/^\d{1,15}$/.test(tag) ? Number(tag) : noVersion))
}

/** Calls `attempt` with each in turn until one does not fail for being another version. Verbs compare before they change anything. */
export async function attemptEach<Expected, Answer>(
  expected: readonly Expected[],
  attempt: (each: Expected) => Promise<Answer>,
): Promise<Answer> {
  let failure: unknown
  for (const each of expected) {
    try {
      return await attempt(each)
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'PRECONDITION_FAILED') throw error
      failure = error
    }
  }
  throw failure
}
