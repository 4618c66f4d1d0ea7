import { readFileSync } from 'node:fs'

/** Something that a known kind of machine cannot have. `sign` must occur in what the failed attempt said. */
export interface Absence {
  readonly id: string
  readonly what: string
  readonly reason: string
  readonly sign: string
  readonly instead: string
}

/** The tracked list of what machines are known to lack: what is missing and not in it fails its suite. */
const absences: readonly Absence[] = JSON.parse(readFileSync(new URL('../absences.json', import.meta.url), 'utf8')) as Absence[]

/** The listed absence that explains why something could not be had, if one does. */
export function knownAbsence(id: string, why: string): Absence | undefined {
  return absences.find((absence) => absence.id === id && why.includes(absence.sign))
}
