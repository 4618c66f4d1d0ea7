/** Which backups stay: the last ones, and the last one of each of so many days, weeks and months. */

/** How many; all zero: every one stays. Times are UTC, weeks begin on Monday. */
export interface BackupKeep {
  readonly last: number
  readonly daily: number
  readonly weekly: number
  readonly monthly: number
}

/** A backup, as far as this is about it. */
export interface DatedBackup {
  readonly id: string
  readonly startedAt: number
}

/** A backup that stays, and why: `last`, `daily`, … */
export interface KeptBackup {
  readonly id: string
  readonly reasons: readonly string[]
}

const dayMs = 86_400_000

const periods: Readonly<Record<Exclude<keyof BackupKeep, 'last'>, (at: number) => string>> = {
  daily: (at) => String(Math.floor(at / dayMs)),
  // The epoch was a Thursday.
  weekly: (at) => String(Math.floor((at / dayMs + 3) / 7)),
  monthly: (at) => new Date(at).toISOString().slice(0, 7),
}

/** Those that stay, newest first. The newest always does. */
export function chooseKept(backups: readonly DatedBackup[], keep: BackupKeep): readonly KeptBackup[] {
  const newestFirst = backups.toSorted((one, other) => other.startedAt - one.startedAt || (one.id < other.id ? 1 : -1))
  const reasons = new Map<string, string[]>()
  const note = ({ id }: DatedBackup, reason: string) => reasons.set(id, [...(reasons.get(id) ?? []), reason])
  if (Object.values(keep).every((count) => count === 0)) for (const backup of newestFirst) note(backup, 'all are kept')
  for (const backup of newestFirst.slice(0, Math.max(1, keep.last))) note(backup, 'last')
  for (const [name, periodOf] of Object.entries(periods)) {
    const seen = new Set<string>()
    for (const backup of newestFirst) {
      const period = periodOf(backup.startedAt)
      if (seen.has(period)) continue
      if (seen.size >= keep[name as keyof typeof periods]) break
      seen.add(period)
      note(backup, name)
    }
  }
  return newestFirst.flatMap(({ id }) => {
    const found = reasons.get(id)
    return found === undefined ? [] : [{ id, reasons: [...new Set(found)] }]
  })
}
