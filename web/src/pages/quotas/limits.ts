/** Limits as people type them: sizes with a unit, nothing for none. */
import { Said } from '../../parts/said.ts'

export interface LimitsDraft {
  readonly bytes: string
  readonly unit: Unit
  readonly repositories: string
  readonly tags: string
  readonly warn: string
}

export interface Limits {
  readonly bytesMax: number | null
  readonly repositoriesMax: number | null
  readonly tagsMax: number | null
  readonly warnPercent: number
}

export const units = ['MB', 'GB', 'TB'] as const
export type Unit = (typeof units)[number]
const sizes = { MB: 1e6, GB: 1e9, TB: 1e12 } as const

/** The largest unit in which the size is a number that is typed easily. */
export function draftOf({ bytesMax, repositoriesMax, tagsMax, warnPercent }: Limits): LimitsDraft {
  const unit = [...units].reverse().find((each) => (bytesMax ?? 0) >= sizes[each]) ?? (bytesMax === null ? 'GB' : 'MB')
  return {
    bytes: bytesMax === null ? '' : String(bytesMax / sizes[unit]),
    unit,
    repositories: repositoriesMax === null ? '' : String(repositoriesMax),
    tags: tagsMax === null ? '' : String(tagsMax),
    warn: String(warnPercent),
  }
}

/** Throws {@link Said} with `sentence` for what is no number. */
export function limitsOf(draft: LimitsDraft, sentence: string): Limits {
  return {
    bytesMax: wholeOf(draft.bytes, sentence, sizes[draft.unit]),
    repositoriesMax: wholeOf(draft.repositories, sentence),
    tagsMax: wholeOf(draft.tags, sentence),
    warnPercent: wholeOf(draft.warn, sentence) ?? 80,
  }
}

function wholeOf(text: string, sentence: string, factor = 1): number | null {
  if (text.trim() === '') return null
  const value = Math.round(Number(text.trim().replace(',', '.')) * factor)
  if (!Number.isSafeInteger(value) || value < 0) throw new Said(sentence)
  return value
}
