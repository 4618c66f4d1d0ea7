/** 管理页面的词汇。 */
import type { ManageWords } from './manage-en.ts'
import { people } from './zh-CN/manage-people.ts'
import { places } from './zh-CN/manage-places.ts'
import { providers } from './zh-CN/manage-providers.ts'
import { running } from './zh-CN/manage-running.ts'

export const manageZhCN: ManageWords = { ...people, ...providers, ...places, ...running }
