/** What can be copied: a button, a command with its button. */
import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import { Check, Copy } from 'lucide-react'
import { useTranslation } from 'react-i18next'

/** `what` names it to those who do not see where the button stands. */
export function CopyText({ text, what }: { readonly text: string; readonly what: string }) {
  const { t } = useTranslation()
  return (
    <CopyButton value={text} timeout={1_500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t('common.copied') : t('common.copy')}>
          <ActionIcon
            size="sm"
            className="copy"
            onClick={copy}
            aria-label={copied ? t('common.copied') : t('common.copyWhat', { what })}
            color={copied ? 'tide' : 'gray'}
          >
            {copied ? <Check size={14} /> : <Copy size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
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
