/** The part of `projects.settings` that says for how long manifests without a tag are kept. Each project speaks for its own repositories alone. */

/** Days; null: they are kept. */
export type UntaggedAfterDays = number | null

/** What a project's settings say; null where they say nothing. */
export function untaggedAfterDaysIn(settings: string): UntaggedAfterDays {
  const { untaggedAfterDays } = JSON.parse(settings) as { readonly untaggedAfterDays?: unknown }
  return typeof untaggedAfterDays === 'number' ? untaggedAfterDays : null
}

const dayMs = 24 * 60 * 60 * 1_000

/** The same as milliseconds; undefined: they are kept. */
export function untaggedAfterMsIn(settings: string): number | undefined {
  const days = untaggedAfterDaysIn(settings)
  return days === null ? undefined : days * dayMs
}

/** The settings with another decision, everything else in them kept. */
export function withUntaggedAfterDays(settings: string, untaggedAfterDays: UntaggedAfterDays): string {
  const { untaggedAfterDays: _before, ...others } = JSON.parse(settings) as Readonly<Record<string, unknown>>
  return JSON.stringify(untaggedAfterDays === null ? others : { ...others, untaggedAfterDays })
}

/** The kind of job that looks for what is untagged in a project already; the room registry runs it. */
export const reviewUntaggedKind = 'review-untagged'
