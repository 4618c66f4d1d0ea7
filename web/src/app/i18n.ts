/** The language: what the person chose, else the browser's. Each dictionary is a file of its own that is loaded when it is spoken. */
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import type { Words } from '../locales/en.ts'
import type { ManageWords } from '../locales/manage-en.ts'

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: Words; manage: ManageWords }
    returnNull: false
  }
}

/** By tag of BCP 47. */
export const languages = { en: 'English', 'zh-CN': '简体中文' } as const
export type Language = keyof typeof languages

const storageKey = 'berth-language'
const dictionaries: Readonly<Record<Language, () => Promise<Words>>> = {
  en: async () => (await import('../locales/en.ts')).en,
  'zh-CN': async () => (await import('../locales/zh-CN.ts')).zhCN,
}

/** The words of the pages that run things are loaded with the first of those pages. */
const manageDictionaries: Readonly<Record<Language, () => Promise<ManageWords>>> = {
  en: async () => (await import('../locales/manage-en.ts')).manageEn,
  'zh-CN': async () => (await import('../locales/manage-zh-CN.ts')).manageZhCN,
}
let isManaging = false

async function loadManageWords(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, 'manage')) i18next.addResourceBundle(language, 'manage', await manageDictionaries[language]())
}

/** Loads a page that speaks with those words, and the words beside it. */
export async function withManageWords<Module>(load: () => Promise<Module>): Promise<Module> {
  isManaging = true
  const [module] = await Promise.all([load(), startLanguage().then(() => loadManageWords(i18next.language as Language))])
  return module
}

function chosen(): Language {
  const kept = localStorage.getItem(storageKey)
  if (kept !== null && kept in languages) return kept as Language
  return navigator.languages
    .find((each) => /^(?:zh|en)\b/i.test(each))
    ?.toLowerCase()
    .startsWith('zh') === true
    ? 'zh-CN'
    : 'en'
}

let starting: Promise<void> | undefined

/** Before the first drawing; who asks again waits for the same. */
export function startLanguage(): Promise<void> {
  starting ??= start()
  return starting
}

async function start(): Promise<void> {
  const language = chosen()
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    interpolation: { escapeValue: false },
    resources: { [language]: { translation: await dictionaries[language]() } },
    initAsync: false,
  })
  document.documentElement.lang = language
}

export async function speak(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, 'translation'))
    i18next.addResourceBundle(language, 'translation', await dictionaries[language]())
  if (isManaging) await loadManageWords(language)
  localStorage.setItem(storageKey, language)
  document.documentElement.lang = language
  await i18next.changeLanguage(language)
}
