/* Loaded before libopus: when a program sets its encoder's complexity, sets that of $OPUS_COMPLEXITY instead, and the application
 * of $OPUS_APPLICATION (2048: voip) beside it. For a program whose settings cannot be told otherwise. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#define SET_APPLICATION 4000
#define SET_COMPLEXITY 4010

typedef int control(void *, int, ...);

int opus_multistream_encoder_ctl(void *encoder, int request, ...)
{
	static control *real;
	const char *complexity = getenv("OPUS_COMPLEXITY"), *application = getenv("OPUS_APPLICATION");
	va_list arguments;
	void *argument;

	if (!real)
		real = (control *)dlsym(RTLD_NEXT, "opus_multistream_encoder_ctl");
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == SET_COMPLEXITY && application)
		real(encoder, SET_APPLICATION, atoi(application));
	if (request == SET_COMPLEXITY && complexity)
		argument = (void *)(intptr_t)atoi(complexity);
	return real(encoder, request, argument);
}
