/** In which zone exact times are told: the browser's unless the person chose another. */

const storageKey = 'berth-time-zone'

/** Undefined: the browser's own. */
export function timeZone(): string | undefined {
  return localStorage.getItem(storageKey) ?? undefined
}

export function setTimeZone(zone: string | undefined): void {
  if (zone === undefined) localStorage.removeItem(storageKey)
  else localStorage.setItem(storageKey, zone)
}

export function ownTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}
