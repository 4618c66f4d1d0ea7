/** Days and instants as people and programs write them (RFC 3339). JavaScript takes the 30th of February for the 2nd of March, and 24:00 for the next day. */

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** Whether a calendar has the day: `2026-01-31`. */
export function isDay(text: string): boolean {
  const at = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 10) === text
}

/** Milliseconds; undefined for what is no instant, a leap second among it. */
export function parseInstant(text: string): number | undefined {
  const [, day = ''] = rfc3339.exec(text) ?? []
  return isDay(day) ? Date.parse(text.toUpperCase()) : undefined
}
