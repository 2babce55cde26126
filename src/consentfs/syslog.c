/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Apart from the rest: <syslog.h> has names of ours as macros. */
#include "consentfs/consentfs_internal.h"

#include "base/log.h"

static void to_syslog(enum log_level level, const char *line);

void
detach_log(void)
{
	log_set_sink(to_syslog);
}

#undef LOG_INFO
#undef LOG_DEBUG
#include <syslog.h>

static void
to_syslog(enum log_level level, const char *line)
{
	/* in the order of enum log_level */
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
		LOG_DEBUG };

	syslog(LOG_DAEMON | priority[level], "%s", line);
}
