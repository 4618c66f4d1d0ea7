/** The words of the pages that run the registry and its projects. They are loaded with those pages, not with the first screen. */
import { people } from './en/manage-people.ts'
import { places } from './en/manage-places.ts'
import { providers } from './en/manage-providers.ts'
import { running } from './en/manage-running.ts'
import type { Texts } from './texts.ts'

const words = { ...people, ...providers, ...places, ...running } as const

export type ManageWords = Texts<typeof words>

export const manageEn: ManageWords = words
