/** The words of the pages for signing in, in the languages that they have. To add a language, add a member to `all`. */

const english = {
  signIn: 'Sign in',
  signInWith: 'Sign in with',
  noProviders: 'No identity provider is set up here.',
  passwordHint: 'With a password, use the command line:',
  signedInAs: 'Signed in as',
  next: 'What next?',
  nextCommand: 'Log the command line in:',
  nextDocker: 'Make a personal token, and give it to docker as the password:',
  nextApi: 'The management API is described here:',
  signOut: 'Sign out',
  signedOut: 'Signed out',
  signedOutHere: 'You are signed out of this registry.',
  signOutThere: 'Sign out at the identity provider, too',
  chooseName: 'Choose a name',
  chooseNameWhy: 'Your account needs a name here. It stands in docker login and in what others see of you, and it stays.',
  name: 'Name',
  makeAccount: 'Make the account',
  secondFactor: 'Second factor',
  secondFactorWhy: 'Give a code of your authenticator app, or a recovery code.',
  passkeysNeedScript: 'Your account has passkeys only, and this page has no script to ask for one: use a recovery code.',
  code: 'Code',
  proceed: 'Continue',
  again: 'Is it still you?',
  againWhy: 'What comes next gives away rights of yours, so you are asked again who you are.',
  againThere: 'Show it at the identity provider',
  password: 'Password',
  terminal: 'Log in on the command line',
  terminalAsk: 'Allow the berth command on this machine to act as',
  terminalMachine: 'It calls itself',
  terminalToken: 'It gets a personal token that may do what you may, until you revoke it.',
  terminalWarning:
    'Say yes only if you have just run berth login yourself. If somebody sent you this link, say no: they would act in your name.',
  terminalAfter:
    'The browser then goes to the address below, where the command waits. If it runs on another machine, that page cannot open: copy its whole address from the address bar into the terminal.',
  allow: 'Allow',
  refuse: 'Refuse',
  failed: 'This did not work',
  startAgain: 'Start again',
  errors: {} as Readonly<Record<string, string>>,
}

/** All that a page says. */
export type Words = typeof english

const chinese: Words = {
  signIn: '登录',
  signInWith: '登录方式：',
  noProviders: '此处没有配置身份提供方。',
  passwordHint: '使用密码时，请用命令行登录：',
  signedInAs: '已登录为',
  next: '接下来',
  nextCommand: '登录命令行：',
  nextDocker: '创建个人访问令牌，并将它作为 docker 的密码：',
  nextApi: '管理 API 的说明：',
  signOut: '退出登录',
  signedOut: '已退出',
  signedOutHere: '你已退出此镜像仓库。',
  signOutThere: '同时在身份提供方退出',
  chooseName: '选择名称',
  chooseNameWhy: '你的账户在这里需要一个名称。它用于 docker login，其他人也会看到它，之后不会改变。',
  name: '名称',
  makeAccount: '创建账户',
  secondFactor: '第二验证因素',
  secondFactorWhy: '请输入验证器应用中的验证码，或一个恢复码。',
  passkeysNeedScript: '你的账户只有通行密钥，而此页面没有脚本，无法使用它：请输入恢复码。',
  code: '验证码',
  proceed: '继续',
  again: '请再次确认身份',
  againWhy: '下一步会授出你的权限，因此需要再次确认你的身份。',
  againThere: '在身份提供方确认',
  password: '密码',
  terminal: '命令行登录',
  terminalAsk: '是否允许这台机器上的 berth 命令代表以下账户操作：',
  terminalMachine: '它自称为',
  terminalToken: '它将得到一个个人访问令牌，可以执行你能执行的操作，直到你撤销它。',
  terminalWarning: '只有在你自己刚刚运行了 berth login 时才选择允许。如果这个链接是别人发给你的，请拒绝：对方会以你的名义操作。',
  terminalAfter:
    '之后浏览器会转到下面的地址，命令正在那里等待。如果命令运行在另一台机器上，该页面将无法打开：请把地址栏中的完整地址复制到终端。',
  allow: '允许',
  refuse: '拒绝',
  failed: '操作未成功',
  startAgain: '重新开始',
  errors: {
    CONFLICT: '这与现有的账户或状态冲突，例如名称已被占用。',
    REQUEST_INVALID: '输入的内容不符合要求。',
    UNAUTHORIZED: '凭据不正确，或登录已过期。',
    DENIED: '此操作不被允许。',
    ADDRESS_DENIED: '此地址不被允许访问。',
    TOOMANYREQUESTS: '尝试次数过多，请稍后再试。',
    UNAVAILABLE: '服务暂时不可用，请稍后再试。',
    UNSUPPORTED: '现在不能执行此操作。',
    NOT_FOUND: '没有这样的页面。',
    RESOURCE_UNKNOWN: '没有这样的身份提供方。',
  },
}

/** As `lang` of a page has it. */
export type Language = 'en' | 'zh-CN'

const all: Readonly<Record<Language, Words>> = { en: english, 'zh-CN': chinese }
const acceptMax = 1_000

/** Words with the language that they are in. */
export interface Spoken {
  readonly language: Language
  readonly words: Words
}

/** What the browser asks for (RFC 9110 §12.5.4): of the languages that there are the one with the highest weight, the first of equals; else English. */
export function wordsFor(acceptLanguage: string | undefined): Spoken {
  let best: { readonly language: Language; readonly weight: number } | undefined
  for (const part of (acceptLanguage ?? '').slice(0, acceptMax).split(',')) {
    const [, range = '', quality] = /^\s*([A-Za-z*][\w-]*|\*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$/.exec(part) ?? []
    const language = languageOf(range.toLowerCase())
    const weight = quality === undefined ? 1 : Number(quality)
    if (language !== undefined && weight > (best?.weight ?? 0)) best = { language, weight }
  }
  const language = best?.language ?? 'en'
  return { language, words: all[language] }
}

/** Readers of traditional characters are better served in English than in the simplified ones that were not asked for. */
function languageOf(range: string): Language | undefined {
  if (/^en(?:-|$)/.test(range)) return 'en'
  return /^zh(?:-|$)/.test(range) && !/^zh-(?:hant|tw|hk|mo)/.test(range) ? 'zh-CN' : undefined
}
