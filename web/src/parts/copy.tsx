/** What can be copied: a button, a command with its button. */
import { useClipboard } from '@mantine/hooks'
import { Check, Copy } from 'lucide-react'
import { useTranslation } from 'react-i18next'

/** `what` names it to those who do not see where the button stands. Rows of long tables have several: a plain button is drawn in a tenth of the time. */
export function CopyText({ text, what }: { readonly text: string; readonly what: string }) {
  const { t } = useTranslation()
  const { copied, copy } = useClipboard({ timeout: 1_500 })
  const label = copied ? t('common.copied') : t('common.copyWhat', { what })
  return (
    <button
      type="button"
      className="copy"
      onClick={() => copy(text)}
      aria-label={label}
      title={label}
      {...(copied && { 'data-copied': true })}
    >
      {copied ? <Check size={14} /> : <Copy size={14} />}
    </button>
  )
}

export function Command({ text, label }: { readonly text: string; readonly label?: string }) {
  return (
    <div className="command">
      <code tabIndex={0} role="region" aria-label={label ?? text}>
        {text}
      </code>
      <CopyText text={text} what={label ?? text} />
    </div>
  )
}

/** The first characters of a digest; all of it is copied. */
export function Digest({ digest }: { readonly digest: string }) {
  const [, hex = digest] = digest.split(':')
  return (
    <span style={{ display: 'inline-flex', alignItems: 'center', gap: 2 }}>
      <span className="mono" title={digest}>
        {hex.slice(0, 12)}
      </span>
      <CopyText text={digest} what={digest} />
    </span>
  )
}
